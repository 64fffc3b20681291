/** Stands inside a transaction that has changed rows, until it is killed: `node hanging-transaction.ts FILE`. */
import { DatabaseSync } from 'node:sqlite'

const database = new DatabaseSync(process.argv[2] ?? '', { timeout: 10_000 })
database.exec("BEGIN IMMEDIATE; DELETE FROM claims; DELETE FROM requests; UPDATE namespace SET epoch = 'torn'")
process.send?.('inside')
setInterval(() => database.isOpen, 1_000)
process.once('disconnect', () => process.exit(1))
