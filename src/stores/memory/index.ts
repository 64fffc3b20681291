import type { StoreDriver } from '../../core/store.ts'
import { MemoryNamespace, type MemoryStoreOptions } from './store.ts'

export type { MemoryStoreOptions } from './store.ts'

/**
 * Locks within this process. Managers that are given the same store object share its namespaces; they last as long as
 * the object does. (The URL `memory:` names one such object per process.)
 */
export function memoryStore(options: MemoryStoreOptions = {}): StoreDriver {
  const namespaces = new Map<string, MemoryNamespace>()
  return {
    async open(name) {
      const namespace = namespaces.get(name) ?? new MemoryNamespace(options)
      namespaces.set(name, namespace)
      return namespace.view()
    },
  }
}
