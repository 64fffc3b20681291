import { storeContract } from '../../src/testing/index.ts'
import { contractStores } from './stores.ts'

storeContract('redis-cluster-node-redis', contractStores['redis-cluster-node-redis'])
