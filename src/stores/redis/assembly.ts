import { InvalidRequestError } from '../../core/errors.ts'
import { show } from '../../core/show.ts'
import type { LockStore } from '../../core/store.ts'
import { checkServer } from './checks.ts'
import type { ClientLink } from './client-link.ts'
import { layoutOf } from './layout.ts'
import { ReplicatedStore } from './replicas.ts'
import type { TableScript } from './script.ts'
import type { RedisSettings } from './settings.ts'
import { agreeOnShards } from './sharding/marker.ts'
import type { Routing } from './sharding/routing.ts'
import { ShardedStore } from './sharding/store.ts'
import { RedisStore } from './store.ts'

/** One table in the server: what its keys begin with, and the name in their hash tag. */
interface TableName {
  readonly namespace: string
  readonly prefix: string
}

/** Connects, checks the server, and puts the store of a namespace together. It closes the link when it is closed. */
export async function openNamespace(
  link: ClientLink,
  namespace: string,
  settings: RedisSettings,
  { routing, table }: { readonly routing: Routing; readonly table: TableScript | undefined },
): Promise<LockStore> {
  const { prefix, shards, replicas } = settings
  const layout = layoutOf(checkNamespace(namespace), prefix)
  await link.connect()
  await checkServer(link, layout, { waits: replicas !== undefined })
  await agreeOnShards(link, layout, shards)
  if (shards === 1) return tableOf(link, { namespace, prefix }, settings, table)
  // Each has a name, and so a hash tag, of its own; the prefix keeps them apart from namespaces of such names.
  const names = Array.from({ length: shards }, (_, shard): TableName => {
    return { namespace: `${shard}/${shards}/${namespace}`, prefix: `${prefix}:shards` }
  })
  const tables = names.map((name) => tableOf(link, name, settings, table))
  return ShardedStore.open(tables, routing)
}

function tableOf(
  link: ClientLink,
  name: TableName,
  { limits, replicas }: RedisSettings,
  table: TableScript | undefined,
): LockStore {
  const store = new RedisStore({ link, limits, ...name, ...(table !== undefined && { table }) })
  if (replicas === undefined) return store
  const { key } = layoutOf(name.namespace, name.prefix)
  return new ReplicatedStore(store, replicas, (wish) => link.waitForReplicas(key, wish))
}

function checkNamespace(namespace: string): string {
  if (namespace.isWellFormed()) return namespace
  throw new InvalidRequestError(`namespace: ${show(namespace)} is not well-formed Unicode.`)
}
