import { InvalidRequestError } from './errors.ts'
import { show } from './show.ts'

const NAMESPACE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/u

/** @throws InvalidRequestError unless the value can name a namespace, in every store */
export function checkNamespace(namespace: unknown): string {
  if (typeof namespace === 'string' && NAMESPACE.test(namespace)) return namespace
  throw new InvalidRequestError(
    `namespace: ${show(namespace)} is not a name of 1 to 64 letters, digits, dots, dashes and underscores.`,
  )
}
