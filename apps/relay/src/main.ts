import { keepHeapSmall } from './small-heap.ts'

keepHeapSmall()
await import('./run-relay.ts')
