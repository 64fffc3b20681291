import { storeContract } from '../../src/testing/index.ts'
import { contractStores } from './stores.ts'

storeContract('memory-in-real-time', contractStores['memory-in-real-time'])
