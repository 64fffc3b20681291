// A process of the Postgres benchmarks.
import { serve } from '../worker.ts'
import { tasks } from './tasks.ts'

serve(tasks)
