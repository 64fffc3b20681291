import { NotExecutedError } from '../../core/store.ts'
import { replyCode } from './failures.ts'
import type { Layout } from './layout.ts'
import type { RedisLink } from './link.ts'

const OLDEST_VERSION = 7

/** What the lock table does with its keys, and the store around it. The documentation has the same list. */
export const KEY_COMMANDS: readonly string[] = [
  'DEL',
  'HDEL',
  'HGET',
  'HMGET',
  'HSET',
  'SET',
  'XADD',
  'XRANGE',
  'ZADD',
  'ZLEXCOUNT',
  'ZPOPMIN',
  'ZRANGE',
  'ZRANGEBYLEX',
  'ZREM',
  'ZREVRANGEBYLEX',
]

/** What is done with channels: in a Cluster with those that belong to a slot. */
export const CHANNEL_COMMANDS: { readonly single: readonly string[]; readonly cluster: readonly string[] } = {
  single: ['PUBLISH', 'SUBSCRIBE', 'UNSUBSCRIBE'],
  cluster: ['SPUBLISH', 'SSUBSCRIBE', 'SUNSUBSCRIBE'],
}

/** What needs neither a key nor a channel. */
export const OTHER_COMMANDS: readonly string[] = ['EVAL', 'EVALSHA', 'PING', 'TIME']

/** Asks the server about the permissions of this very user, which needs no permission but to run scripts. */
const ASK_PERMISSIONS = `local denied = {}
if not redis.acl_check_cmd then return { 'too old' } end
for _, each in ipairs(cjson.decode(ARGV[1])) do
  if not redis.acl_check_cmd(unpack(each)) then denied[#denied + 1] = each[1] end
end
return denied`

/**
 * Looks for what would make the store fail later, or forget locks: once, when it is opened.
 *
 * @throws NotExecutedError that says what to change
 */
export async function checkServer(link: RedisLink, layout: Layout, wishes: { readonly waits: boolean }): Promise<void> {
  await checkInfo(link, layout)
  if (link.sharded) await checkCluster(link, layout)
  await checkPermissions(link, layout, wishes.waits)
}

async function checkInfo(link: RedisLink, { key }: Layout): Promise<void> {
  const info = await askIfAllowed(link, key, 'INFO', [])
  if (info === undefined) return
  const version = info.get('redis_version') ?? ''
  if (Number.parseInt(version, 10) < OLDEST_VERSION) throw tooOld(link, version)
  if (info.get('role') === 'slave') {
    throw unusable(
      link,
      'is a replica, which cannot be written to: name the primary, or let Sentinels or a Cluster find it',
    )
  }
  if (!link.sharded && info.get('cluster_enabled') === '1') {
    throw unusable(link, 'is a node of a Cluster: write ?cluster=true behind the URL, or give a client for a Cluster')
  }
  const policy = info.get('maxmemory_policy') ?? ''
  if (!policy.startsWith('allkeys-')) return
  throw unusable(
    link,
    `has the maxmemory-policy ${policy}: it would throw away locks when memory is short. Set it to noeviction, or to a volatile one: the keys of this store have no time to live`,
  )
}

async function checkCluster(link: RedisLink, { key }: Layout): Promise<void> {
  const info = await askIfAllowed(link, key, 'CLUSTER', ['INFO'])
  if (info === undefined || info.get('cluster_state') === 'ok') return
  const assigned = info.get('cluster_slots_assigned') ?? 'not all'
  throw unusable(
    link,
    `has the cluster state ${info.get('cluster_state')}, with ${assigned} of 16384 slots covered: complete it`,
  )
}

async function checkPermissions(link: RedisLink, layout: Layout, waits: boolean): Promise<void> {
  const channels = link.sharded ? CHANNEL_COMMANDS.cluster : CHANNEL_COMMANDS.single
  const asked = [
    ...KEY_COMMANDS.map((command) => [command, ...argumentsOf(command, layout.key)]),
    ...channels.map((command) => [command, layout.growth, ...(command.endsWith('PUBLISH') ? [''] : [])]),
    ...OTHER_COMMANDS.map((command) => [command, ...(command.startsWith('EVAL') ? ['', '1', layout.key] : [])]),
    ...(waits ? [['WAIT', '1', '1']] : []),
  ]
  const denied = (await link.call(layout.key, 'EVAL', [
    ASK_PERMISSIONS,
    '1',
    layout.key,
    JSON.stringify(asked),
  ])) as string[]
  if (denied[0] === 'too old') throw tooOld(link, '')
  if (denied.length === 0) return
  const grants = denied.map((command) => `+${command.toLowerCase()}`).join(' ')
  const keys = layout.key.slice(0, layout.key.indexOf('{'))
  throw unusable(
    link,
    `does not allow this user what the store needs: ${denied.join(', ')}. Let somebody run ACL SETUSER with ${grants} ~${keys}* &${keys}*`,
  )
}

/** Enough of a command for the server to see which keys it is about. */
function argumentsOf(command: string, key: string): readonly string[] {
  switch (command) {
    case 'DEL':
    case 'ZPOPMIN':
      return [key]
    case 'HGET':
    case 'HMGET':
    case 'HDEL':
    case 'SET':
    case 'ZREM':
      return [key, '1']
    case 'HSET':
    case 'XRANGE':
    case 'ZADD':
    case 'ZLEXCOUNT':
    case 'ZRANGE':
    case 'ZRANGEBYLEX':
    case 'ZREVRANGEBYLEX':
      return [key, '1', '1']
    default:
      return [key, '*', '1', '1']
  }
}

/** Fields of a reply in lines; `undefined` where the user may not ask, so that it cannot be checked. */
async function askIfAllowed(
  link: RedisLink,
  key: string,
  command: string,
  args: readonly string[],
): Promise<ReadonlyMap<string, string> | undefined> {
  try {
    const reply = String(await link.call(key, command, args))
    return new Map([...reply.matchAll(/^(\w+):(.*?)\r?$/gmu)].map(([, name = '', value = '']) => [name, value]))
  } catch (error) {
    if (error instanceof NotExecutedError && replyCode(error.cause) === 'NOPERM') return undefined
    throw error
  }
}

function tooOld(link: RedisLink, version: string): NotExecutedError {
  return unusable(link, `${version === '' ? 'is' : `has version ${version},`} older than 7.0: upgrade it`)
}

function unusable({ name }: RedisLink, what: string): NotExecutedError {
  return new NotExecutedError(`Redis at ${name} ${what}.`)
}
