import { Admission, type EnteredFence, type FenceGuardOptions, isUnguarded, type Refusal } from './admission.ts'
import { FENCE_HEADER } from './header.ts'

/** A handler of web-standard requests; `fence` is `null` where the request was let through unguarded. */
export type FencedHandler = (request: Request, fence: EnteredFence | null) => Response | Promise<Response>

/**
 * Puts a guard before a handler of web-standard requests (Hono, Deno, Bun, service workers, …). A request that changes
 * something must carry the fencing token of its lock in the header `Holdfast-Fence`:
 *
 * - lower than the highest token known of its resource: 412, with the highest in the same header;
 * - no token: 428; none that can be right: 400;
 * - the requests before it did not end in time, or the keeper failed: 503 with `Retry-After`.
 *
 * GET, HEAD and OPTIONS may come without a token. With one they enter: read like that what you are going to change.
 *
 * Guarded requests of one resource run one after the other, each until its response is there, so that in this process no
 * late write comes between another's read and write. The body of a guarded request is read into memory before its turn,
 * so that a client that stands still in the middle of its upload holds up nobody; limit its size before. Several
 * server processes need a keeper that they share, and for exactness the guard of the storage too, which takes `fence`
 * in the place of a lock: two processes do not wait for each other's handlers.
 *
 * @throws InvalidRequestError for unknown options
 */
export function fencedHandler(
  handler: FencedHandler,
  options: FenceGuardOptions<Request> = {},
): (request: Request) => Promise<Response> {
  const admission = new Admission(options, 'fencedHandler')
  const resourceOf = options.resourceOf ?? ((request: Request) => new URL(request.url).pathname)
  return async (request) => {
    const header = request.headers.get(FENCE_HEADER)
    const resource = resourceOf(request)
    if (resource === null || isUnguarded(request.method, header)) return handler(request, null)
    const asking = { resource, header }
    const refusal = admission.check(asking)
    if (refusal !== null) return responseTo(refusal)
    const received = await receive(request)
    const admitted = await admission.admit(asking)
    if ('status' in admitted) return responseTo(admitted)
    try {
      return await handler(received, admitted.fence)
    } finally {
      admitted.leave()
    }
  }
}

/** The same request with all of its body there. */
async function receive(request: Request): Promise<Request> {
  if (request.body === null) return request
  const { method, headers, signal } = request
  return new Request(request.url, { method, headers, signal, body: await request.arrayBuffer() })
}

function responseTo({ status, headers, message }: Refusal): Response {
  return new Response(`${message}\n`, { status, headers: { ...headers, 'Content-Type': 'text/plain; charset=utf-8' } })
}
