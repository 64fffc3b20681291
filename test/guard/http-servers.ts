import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text as bodyOf } from 'node:stream/consumers'
import { afterEach } from 'vitest'

const servers: Server[] = []

afterEach(async () => {
  for (const server of servers.splice(0)) {
    const closed = new Promise((resolve) => void server.close(resolve))
    server.closeAllConnections()
    await closed
  }
})

/** Serves on a free port, until the test ends. @returns the URL, without a path */
export async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  servers.push(server)
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Serves a handler of web-standard requests. */
export function serveWeb(handler: (request: Request) => Promise<Response>): Promise<string> {
  return serve((request, response) => {
    const answer = async (): Promise<void> => {
      const answered = await handler(await webRequest(request))
      response.writeHead(answered.status, Object.fromEntries(answered.headers))
      response.end(await answered.text())
    }
    answer().catch((error: unknown) => response.destroy(error as Error))
  })
}

async function webRequest(request: IncomingMessage): Promise<Request> {
  const { method = 'GET', headers, url = '/' } = request
  const hasBody = method !== 'GET' && method !== 'HEAD'
  const init = { method, headers: headers as Record<string, string> }
  return new Request(`http://host${url}`, hasBody ? { ...init, body: await bodyOf(request) } : init)
}
