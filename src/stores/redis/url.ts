import { InvalidRequestError } from '../../core/errors.ts'
import { show } from '../../core/show.ts'

export interface RedisHost {
  readonly host: string
  readonly port: number
}

/** Where a URL leads. */
export interface RedisTarget {
  /** More than one for Sentinels or the nodes of a Cluster only. */
  readonly hosts: readonly RedisHost[]
  readonly tls: boolean
  readonly username: string | undefined
  readonly password: string | undefined
  readonly db: number
  readonly cluster: boolean
  /** What the Sentinels call the primary. */
  readonly sentinel: string | undefined
}

const FORM =
  /^(?<scheme>rediss?):\/\/(?:(?<user>[^@/?#]*)@)?(?<hosts>[^@/?#]+)(?:\/(?<db>\d{0,4}))?(?:\?(?<query>[^#]*))?$/u
const HOST = /^(?<host>\[[0-9a-f:.]+\]|[^:[\]]+)(?::(?<port>\d{1,5}))?$/iu
const PORT = 6379
const SENTINEL_PORT = 26_379

/**
 * Reads `redis://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE]`; `rediss:` for TLS; `?cluster=true` where the host is a node
 * of a Cluster, `?sentinel=NAME` where it is a Sentinel. These may be several, with commas between them.
 *
 * @throws InvalidRequestError that does not repeat the URL, because it may hold a password
 */
export function parseRedisUrl(url: string): RedisTarget {
  const { scheme, user = '', hosts = '', db = '', query = '' } = FORM.exec(url)?.groups ?? {}
  if (scheme === undefined) throw notUnderstood('it has another form')
  const { cluster, sentinel } = parseQuery(query)
  const port = sentinel === undefined ? PORT : SENTINEL_PORT
  const target: RedisTarget = {
    hosts: hosts.split(',').map((host) => parseHost(host, port)),
    tls: scheme === 'rediss',
    ...parseUser(user),
    db: Number(db),
    cluster,
    sentinel,
  }
  if (cluster && sentinel !== undefined) throw notUnderstood('it names a Cluster and Sentinels')
  if (cluster && target.db !== 0) throw notUnderstood('a Cluster has no database but 0')
  if (target.hosts.length > 1 && !cluster && sentinel === undefined) {
    throw notUnderstood('several hosts need cluster=true or sentinel=NAME')
  }
  return target
}

function parseQuery(query: string): Pick<RedisTarget, 'cluster' | 'sentinel'> {
  const parameters = new URLSearchParams(query)
  for (const name of parameters.keys()) {
    if (name !== 'cluster' && name !== 'sentinel') {
      throw notUnderstood(`it has the parameter ${show(name)}, and known are cluster and sentinel`)
    }
  }
  const cluster = parameters.get('cluster') ?? 'false'
  if (cluster !== 'true' && cluster !== 'false') throw notUnderstood('cluster is neither true nor false')
  const sentinel = parameters.get('sentinel') ?? undefined
  if (sentinel === '') throw notUnderstood('sentinel needs the name of the primary')
  return { cluster: cluster === 'true', sentinel }
}

function parseHost(text: string, defaultPort: number): RedisHost {
  const { host, port } = HOST.exec(text)?.groups ?? {}
  if (host === undefined || Number(port) > 65_535) throw notUnderstood('a host is not written right')
  return { host: host.replace(/^\[|\]$/gu, ''), port: port === undefined ? defaultPort : Number(port) }
}

function parseUser(text: string): Pick<RedisTarget, 'username' | 'password'> {
  const colon = text.indexOf(':')
  const username = decode(colon < 0 ? text : text.slice(0, colon))
  const password = decode(colon < 0 ? '' : text.slice(colon + 1))
  return { username: username === '' ? undefined : username, password: password === '' ? undefined : password }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw notUnderstood('its user or password has a % that encodes nothing')
  }
}

function notUnderstood(why: string): InvalidRequestError {
  return new InvalidRequestError(
    `The URL of the Redis store is not understood: ${why}. Write redis://USER:PASSWORD@HOST:PORT/DATABASE (rediss: for TLS), with @ / ? # % in a user or password percent-encoded, and for a Cluster ?cluster=true, for Sentinels ?sentinel=NAME behind it.`,
  )
}
