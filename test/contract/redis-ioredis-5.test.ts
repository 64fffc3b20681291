import { storeContract } from '../../src/testing/index.ts'
import { contractStores } from './stores.ts'

storeContract('redis-ioredis-5', contractStores['redis-ioredis-5'])
