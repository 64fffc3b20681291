import { storeContract } from '../../src/testing/index.ts'
import { contractStores } from './stores.ts'

storeContract('postgres-js', contractStores['postgres-js'])
