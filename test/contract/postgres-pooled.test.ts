import { storeContract } from '../../src/testing/index.ts'
import { contractStores } from './stores.ts'

storeContract('postgres-pooled', contractStores['postgres-pooled'])
