import { text as bodyOf } from 'node:stream/consumers'
import { describe } from 'vitest'
import { fencedHandler, fencedListener } from '../../src/guard/index.ts'
import { serve, serveWeb } from './http-servers.ts'
import { describeLateWriter } from './late-writer.ts'

/** The same text again, past the guard. */
const unguarded = (path: string): string | null => (path.endsWith('/unguarded') ? null : path)

describe('behind a web-standard handler', () => {
  describeLateWriter('http', async () => {
    let text = ''
    const handler = fencedHandler(
      async (request) => {
        if (request.method === 'PUT') text = await request.text()
        return new Response(text)
      },
      { resourceOf: (request) => unguarded(new URL(request.url).pathname) },
    )
    return `${await serveWeb(handler)}/note`
  })
})

describe('behind a listener of Node', () => {
  describeLateWriter('http', async () => {
    let text = ''
    const listener = fencedListener(
      async (request, response) => {
        if (request.method === 'PUT') text = await bodyOf(request)
        response.end(text)
      },
      { resourceOf: (request) => unguarded(request.url ?? '') },
    )
    return `${await serve((request, response) => void listener(request, response))}/note`
  })
})
