import { storeContract } from '../../src/testing/index.ts'
import { contractStores } from './stores.ts'

storeContract('redis-node-redis', contractStores['redis-node-redis'])
