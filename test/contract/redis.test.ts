import { storeContract } from '../../src/testing/index.ts'
import { contractStores } from './stores.ts'

storeContract('redis', contractStores.redis)
