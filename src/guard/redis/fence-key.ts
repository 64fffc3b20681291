import { InvalidRequestError } from '../../core/errors.ts'
import { show } from '../../core/show.ts'

const SUFFIX = ':holdfast-fence'

/**
 * The key beside a key where its highest token is kept: in the same slot of a Cluster, so that one script may touch both.
 * `order:42` has `{order:42}:holdfast-fence`, `{order:42}:lines` has `{order:42}:lines:holdfast-fence`.
 *
 * @throws InvalidRequestError if there is no such key, because the key holds `}` and no hash tag
 */
export function fenceKeyOf(key: string): string {
  if (typeof key !== 'string' || key === '') throw new InvalidRequestError(`${show(key)} is not a Redis key.`)
  // A Cluster hashes what stands between the first `{` and the next `}`, if that is anything, and else the whole key.
  const opening = key.indexOf('{')
  const closing = key.indexOf('}', opening + 1)
  if (opening >= 0 && closing > opening + 1) return `${key}${SUFFIX}`
  if (!key.includes('}')) return `{${key}}${SUFFIX}`
  throw new InvalidRequestError(
    `${show(key)} cannot be guarded: it holds '}' and no hash tag, so no other key is sure to be in its slot. ` +
      'Give it a hash tag ({…}), or leave the brace out.',
  )
}
