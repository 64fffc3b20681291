import { type Fenced, fencedOut, tokenOf } from '../fence.ts'

/** The header that carries a fencing token: of the lock in a request, the highest one known in a 412. */
export const FENCE_HEADER = 'Holdfast-Fence'

const TOKEN = /^[1-9]\d{0,15}$/u

/**
 * The header for a request to what the lock protects: `fetch(url, { headers: { ...fenceHeader(lock) } })`.
 *
 * @throws InvalidRequestError for a shared lock
 */
export function fenceHeader(lock: Fenced): { readonly 'Holdfast-Fence': string } {
  return { [FENCE_HEADER]: String(tokenOf(lock)) }
}

/** A token as it stands in the header; `undefined` for anything else. */
export function readToken(text: string): number | undefined {
  const token = TOKEN.test(text) ? Number(text) : Number.NaN
  return Number.isSafeInteger(token) ? token : undefined
}

/**
 * A `fetch` whose requests all carry the lock's fencing token.
 *
 * @param fetch default: the global one
 * @returns a `fetch` that rejects with FencedOutError where the server's guard refuses: status 412 with the header
 *   `Holdfast-Fence`. Any other response, another 412 included, comes back as it is.
 * @throws InvalidRequestError for a shared lock
 */
export function fencedFetch(lock: Fenced, fetch: typeof globalThis.fetch = globalThis.fetch): typeof globalThis.fetch {
  const token = String(tokenOf(lock))
  return async (input, init) => {
    const request = new Request(input, init)
    request.headers.set(FENCE_HEADER, token)
    const response = await fetch(request)
    const highest = response.status === 412 ? readToken(response.headers.get(FENCE_HEADER) ?? '') : undefined
    if (highest === undefined) return response
    await response.body?.cancel()
    throw fencedOut(`${request.method} ${withoutSecrets(request.url)}`, lock, highest)
  }
}

/** Neither the user nor what stands behind the path: both may be secret. */
function withoutSecrets(address: string): string {
  const { origin, pathname } = new URL(address)
  return `${origin}${pathname}`
}
