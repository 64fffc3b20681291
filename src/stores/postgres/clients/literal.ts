import { InvalidRequestError } from '../../../core/errors.ts'
import type { Value } from './client.ts'

/** A value as it stands in SQL, whatever the server's setting of standard_conforming_strings is. */
export function literal(value: Value): string {
  if (value === null) return 'NULL'
  if (typeof value === 'boolean') return value ? 'TRUE' : 'FALSE'
  if (typeof value === 'number') return `'${value}'`
  if (value.includes('\0')) throw new InvalidRequestError('Postgres holds no text with the character U+0000.')
  const text = value.replaceAll("'", "''")
  return text.includes('\\') ? ` E'${text.replaceAll('\\', '\\\\')}'` : `'${text}'`
}
