import { enableCompileCache, flushCompileCache } from 'node:module'
import { keepHeapSmall } from './small-heap.ts'

keepHeapSmall()
// From the second start on the types need not be stripped again: that costs 20 MB for good.
enableCompileCache()
if (process.argv[2] === 'plan') await import('./plan/run-plan.ts')
else await import('./run-relay.ts')
flushCompileCache()
