import { storeContract } from '../../src/testing/index.ts'
import { contractStores } from './stores.ts'

storeContract('redis-node-redis-5', contractStores['redis-node-redis-5'])
