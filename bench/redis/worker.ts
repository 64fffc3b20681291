// A process of the Redis benchmarks.
import { serve } from '../worker.ts'
import { tasks } from './tasks.ts'

serve(tasks)
