// A process of the SQLite benchmarks.
import { serve } from '../worker.ts'
import { tasks } from './tasks.ts'

serve(tasks)
