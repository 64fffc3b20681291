/** What Redis says: an error is a value too, as it may be one of many in an array. */
export type RespValue = string | number | null | Error | readonly RespValue[]

/** One whole value of a connection. */
export interface RespFrame {
  readonly value: RespValue
  /** Its bytes as they came. */
  readonly raw: Buffer
}

type Parsed = { readonly value: RespValue; readonly end: number } | undefined

const SIMPLE = '+(,'
const BULK = '$=!'
const AGGREGATE = '*>~'

/** Cuts what comes over a connection, in either direction, into the values that it consists of. */
export class RespReader {
  #rest: Buffer = Buffer.alloc(0)

  read(chunk: Buffer): readonly RespFrame[] {
    const bytes = Buffer.concat([this.#rest, chunk])
    const frames: RespFrame[] = []
    let start = 0
    for (let parsed = parse(bytes, start); parsed !== undefined; parsed = parse(bytes, start)) {
      frames.push({ value: parsed.value, raw: bytes.subarray(start, parsed.end) })
      start = parsed.end
    }
    this.#rest = bytes.subarray(start)
    return frames
  }
}

/** The bytes of a command. */
export function encodeCommand(args: readonly (string | number)[]): string {
  return `*${args.length}\r\n${args.map((arg) => `$${Buffer.byteLength(String(arg))}\r\n${arg}\r\n`).join('')}`
}

/** The value that begins at `start`; undefined where it is not there as a whole yet. */
function parse(bytes: Buffer, start: number): Parsed {
  const lineEnd = bytes.indexOf('\r\n', start)
  if (lineEnd === -1) return undefined
  const type = String.fromCharCode(bytes[start] ?? 0)
  const line = bytes.toString('utf8', start + 1, lineEnd)
  const end = lineEnd + 2
  if (SIMPLE.includes(type)) return { value: line, end }
  if (type === ':') return { value: Number(line), end }
  if (type === '#') return { value: line === 't' ? 1 : 0, end }
  if (type === '-') return { value: new Error(line), end }
  if (type === '_' || line === '-1') return { value: null, end }
  if (BULK.includes(type)) return bulk(bytes, end, Number(line))
  if (AGGREGATE.includes(type)) return aggregate(bytes, end, Number(line))
  if (type === '%') return aggregate(bytes, end, Number(line) * 2)
  throw new Error(`This is no value of Redis: ${type}${line}`)
}

function bulk(bytes: Buffer, start: number, length: number): Parsed {
  const end = start + length + 2
  return bytes.length < end ? undefined : { value: bytes.toString('utf8', start, start + length), end }
}

function aggregate(bytes: Buffer, start: number, count: number): Parsed {
  const value: RespValue[] = []
  let end = start
  for (let index = 0; index < count; index += 1) {
    const parsed = parse(bytes, end)
    if (parsed === undefined) return undefined
    value.push(parsed.value)
    end = parsed.end
  }
  return { value, end }
}
