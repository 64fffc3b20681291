import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  type FenceGuardOptions,
  type FenceKeeper,
  fencedFetch,
  fencedHandler,
  fencedListener,
  fenceHeader,
  fileKeeper,
  memoryKeeper,
} from '../../src/guard/index.ts'
import { temporaryFolder } from '../support/processes.ts'
import { serve, serveWeb } from './http-servers.ts'

type Options = Omit<FenceGuardOptions<never>, 'resourceOf'>

/** Each way to put a guard before the same service, which says what it was asked for. */
const ways: Readonly<Record<string, (options: Options, work?: () => Promise<unknown>) => Promise<string>>> = {
  'a web-standard handler': (options, work) => {
    const guarded = fencedHandler(async (request, fence) => {
      await work?.()
      return Response.json({ method: request.method, body: await request.text(), fence })
    }, options)
    return serveWeb(guarded)
  },
  'a listener of Node': (options, work) => {
    const guarded = fencedListener(async (request, response, fence) => {
      await work?.()
      const body = Buffer.concat(await request.toArray()).toString()
      response.end(JSON.stringify({ method: request.method, body, fence }))
    }, options)
    return serve((request, response) => void guarded(request, response))
  },
}

const put = (url: string, fence?: string | number): Promise<Response> =>
  fetch(url, {
    method: 'PUT',
    body: 'text',
    ...(fence === undefined ? {} : { headers: { 'Holdfast-Fence': `${fence}` } }),
  })

describe.each(Object.entries(ways))('%s with a guard', (_, start) => {
  test('lets through what has the highest token so far, and hands it on', async () => {
    const url = await start({})
    const fence = { resource: '/a', fencingToken: 7 }
    expect(await (await put(`${url}/a?x=1`, 7)).json()).toEqual({ method: 'PUT', body: 'text', fence })
    expect((await put(`${url}/a`, 7)).status).toBe(200)
    expect((await put(`${url}/a`, 9)).status).toBe(200)
  })

  test('answers 412 to an older token, with the highest one', async () => {
    const url = await start({})
    await put(`${url}/a`, 9)
    const response = await put(`${url}/a`, 7)
    expect(response.status).toBe(412)
    expect(response.headers.get('holdfast-fence')).toBe('9')
    expect(await response.text()).toContain('A later holder has been here')
    expect((await put(`${url}/b`, 7)).status).toBe(200)
  })

  test('takes a GET with a token for entering, and lets one without pass', async () => {
    const url = await start({})
    expect(await (await fetch(`${url}/a`)).json()).toEqual({ method: 'GET', body: '', fence: null })
    await fetch(`${url}/a`, { headers: fenceHeader({ fencingToken: 9 }) })
    expect((await put(`${url}/a`, 7)).status).toBe(412)
  })

  test('answers 428 where the token is missing, and 400 where it cannot be one', async () => {
    const url = await start({})
    expect((await put(`${url}/a`)).status).toBe(428)
    const tooFar = (Date.now() + 2 * 3_600_000) * 1_000
    for (const wrong of ['', '0', '-1', '1.5', '7, 8', '0x10', 'seven', '9'.repeat(16), '1'.repeat(40), tooFar]) {
      expect({ wrong, status: (await put(`${url}/a`, wrong)).status }).toEqual({ wrong, status: 400 })
    }
    expect((await put(`${url}/a`, 1)).status).toBe(200)
  })

  test('lets requests of one resource run one after the other, so that a late write comes before the next read', async () => {
    const order: string[] = []
    let goOn = (): void => undefined
    const held = new Promise<void>((resolve) => (goOn = resolve))
    const began = Promise.withResolvers<void>()
    const url = await start({}, async () => {
      order.push('begins')
      if (order.length === 1) {
        began.resolve()
        await held
      }
      order.push('ends')
    })
    const first = put(`${url}/a`, 7)
    await began.promise
    const second = put(`${url}/a`, 9)
    // Another resource does not wait.
    expect((await put(`${url}/b`, 8)).status).toBe(200)
    goOn()
    expect([(await first).status, (await second).status]).toEqual([200, 200])
    expect(order).toEqual(['begins', 'begins', 'ends', 'ends', 'begins', 'ends'])
  })

  test('answers 503 where the request before does not end', async () => {
    let goOn = (): void => undefined
    const held = new Promise<void>((resolve) => (goOn = resolve))
    const began = Promise.withResolvers<void>()
    const url = await start({ patience: '20ms' }, () => {
      began.resolve()
      return held
    })
    const first = put(`${url}/a`, 7)
    await began.promise
    const second = await put(`${url}/a`, 9)
    expect([second.status, second.headers.get('retry-after')]).toEqual([503, '1'])
    goOn()
    expect((await first).status).toBe(200)
    expect((await put(`${url}/a`, 7)).status).toBe(200)
  })

  test('answers 503 where its keeper fails, and says so', async () => {
    const errors: unknown[] = []
    const failure = new Error('the disk is gone')
    const keeper: FenceKeeper = { ...memoryKeeper(), enter: () => Promise.reject(failure) }
    const url = await start({ keeper, onError: (error) => errors.push(error) })
    expect((await put(`${url}/a`, 7)).status).toBe(503)
    expect(errors).toEqual([failure])
  })

  test('shares what it knows with others by a keeper, and forgets it when that is reset', async () => {
    const keeper = fileKeeper(join(temporaryFolder(), 'fences'))
    const [one, other] = [await start({ keeper }), await start({ keeper })]
    await put(`${one}/a`, 9)
    expect((await put(`${other}/a`, 7)).status).toBe(412)
    expect(await keeper.reset('/a')).toBe(9)
    expect((await put(`${other}/a`, 7)).status).toBe(200)
  })

  test('refuses unknown options', () => {
    expect(() => start({ keepers: 1 } as Options)).toThrow(/'keepers' is not an option/)
  })
})

describe('a listener of Node with a guard', () => {
  test('ends the turn of a listener that only calls back with the end of its response', async () => {
    const came = Promise.withResolvers<() => void>()
    const listener = fencedListener((request, response) => {
      const end = (): void => void response.end()
      if (request.url === '/a?slow') came.resolve(end)
      else end()
    })
    const url = await serve((request, response) => void listener(request, response))
    const slow = put(`${url}/a?slow`, 7)
    const end = await came.promise
    const order: string[] = []
    const next = put(`${url}/a`, 9).then(() => order.push('next'))
    await put(`${url}/b`, 9)
    order.push('slow ends')
    end()
    await Promise.all([slow, next])
    expect(order).toEqual(['slow ends', 'next'])
  })

  test('ends the turn of a client that went away', async () => {
    const came = Promise.withResolvers<void>()
    const listener = fencedListener((request, response) => {
      came.resolve()
      if (request.url === '/a?hang') return
      response.end()
    })
    const url = await serve((request, response) => void listener(request, response))
    const hanging = httpRequest(`${url}/a?hang`, { method: 'PUT', headers: { 'Holdfast-Fence': '7' } })
    hanging.on('error', () => undefined)
    hanging.end()
    await came.promise
    hanging.destroy()
    expect((await put(`${url}/a`, 9)).status).toBe(200)
  })

  test('rejects with what its listener throws, and goes on with the next request', async () => {
    const failures: unknown[] = []
    const failure = new Error('no')
    const listener = fencedListener((request, response) => {
      if (request.url === '/a?fail') throw failure
      response.end()
    })
    const url = await serve((request, response) => {
      listener(request, response).catch((error: unknown) => {
        failures.push(error)
        response.destroy()
      })
    })
    await expect(put(`${url}/a?fail`, 7)).rejects.toThrow('fetch failed')
    expect(failures).toEqual([failure])
    expect((await put(`${url}/a`, 7)).status).toBe(200)
  })
})

test('a web-standard handler waits for the body before the turn of its request comes', async () => {
  const handler = fencedHandler(async (request) => new Response(await request.text()))
  let end = (): void => undefined
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      end = () => {
        controller.enqueue(new TextEncoder().encode('slow'))
        controller.close()
      }
    },
  })
  const headers = fenceHeader({ fencingToken: 9 })
  const slow = handler(new Request('http://host/a', { method: 'PUT', headers, body, duplex: 'half' }))
  const quick = await handler(new Request('http://host/a', { method: 'PUT', headers, body: 'quick' }))
  expect(await quick.text()).toBe('quick')
  end()
  expect(await (await slow).text()).toBe('slow')
})

describe('fencedFetch', () => {
  test('sends the token with each request, beside the headers that it was given', async () => {
    const seen: (string | null)[] = []
    const send = fencedFetch({ fencingToken: 7 }, async (input) => {
      const { headers } = new Request(input)
      seen.push(headers.get('holdfast-fence'), headers.get('x-mine'))
      return new Response('fine')
    })
    expect(await (await send('http://host/a', { headers: { 'X-Mine': 'yes' } })).text()).toBe('fine')
    expect(seen).toEqual(['7', 'yes'])
  })

  test('rejects where a guard refuses, and names neither the user nor the query', async () => {
    const url = await serve((request, response) => {
      response.writeHead(412, request.url === '/guard?secret' ? { 'Holdfast-Fence': '9' } : {}).end()
    })
    const send = fencedFetch({ fencingToken: 7, resources: [{ resourceId: 'a:b', mode: 'exclusive', scope: 'node' }] })
    const refused = send(`${url}/guard?secret`, { method: 'PUT' })
    await expect(refused).rejects.toMatchObject({ code: 'FENCED_OUT', resources: [{ resourceId: 'a:b' }] })
    await expect(refused).rejects.toThrow(`PUT ${url}/guard is closed`)
    // Somebody's If-Match, say.
    expect((await send(`${url}/other`)).status).toBe(412)
  })

  test('refuses a shared lock', () => {
    expect(() => fencedFetch({ fencingToken: 7, mode: 'shared' })).toThrow(/shared lock/)
    expect(() => fenceHeader({ fencingToken: 7, mode: 'shared' })).toThrow(/shared lock/)
  })
})
