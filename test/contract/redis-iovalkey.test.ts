import { storeContract } from '../../src/testing/index.ts'
import { contractStores } from './stores.ts'

storeContract('redis-iovalkey', contractStores['redis-iovalkey'])
