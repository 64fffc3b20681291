import type { IncomingMessage, ServerResponse } from 'node:http'
import { Admission, type EnteredFence, type FenceGuardOptions, isUnguarded, type Refusal } from './admission.ts'
import { FENCE_HEADER } from './header.ts'

/**
 * A listener of Node's HTTP server, or a handler of Express; `fence` is `null` where the request was let through
 * unguarded. Where it returns a promise, that must not resolve before its work is done.
 */
export type FencedListener<Request extends IncomingMessage, Response extends ServerResponse> = (
  request: Request,
  response: Response,
  fence: EnteredFence | null,
) => unknown

/**
 * Puts a guard before a listener of Node's HTTP server, with the answers of {@link fencedHandler}.
 *
 * Guarded requests of one resource run one after the other: each until what the listener returned has settled and its
 * response has ended or was cut off. The listener reads the body itself, so a client that stands still in the middle of
 * its upload holds up the others, who get 503 after `patience`; where that matters, read the body before the guard.
 *
 * @returns a listener; its promise rejects with what the listener throws
 * @throws InvalidRequestError for unknown options
 */
export function fencedListener<Request extends IncomingMessage, Response extends ServerResponse>(
  listener: FencedListener<Request, Response>,
  options: FenceGuardOptions<Request> = {},
): (request: Request, response: Response) => Promise<void> {
  const admission = new Admission(options, 'fencedListener')
  const resourceOf = options.resourceOf ?? pathOf
  return async (request, response) => {
    const { [FENCE_HEADER.toLowerCase()]: value } = request.headers
    const header = value === undefined ? null : String(value)
    const resource = resourceOf(request)
    if (resource === null || isUnguarded(request.method ?? '', header))
      return void (await listener(request, response, null))
    const admitted = await admission.admit({ resource, header })
    if ('status' in admitted) return refuse(response, admitted)
    const ended = endOf(response)
    try {
      await listener(request, response, admitted.fence)
      await ended
    } finally {
      admitted.leave()
    }
  }
}

/** As text: to read it as a URL would take the first name of `//a/b` for a host. */
function pathOf(request: IncomingMessage): string {
  return request.url?.split('?', 1)[0] ?? '/'
}

/** `close` comes after `finish` as well as after a broken connection. */
function endOf(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    if (response.closed) resolve()
    else response.once('close', resolve)
  })
}

function refuse(response: ServerResponse, { status, headers, message }: Refusal): void {
  response.writeHead(status, { ...headers, 'Content-Type': 'text/plain; charset=utf-8' })
  response.end(`${message}\n`)
}
