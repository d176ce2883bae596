import { FRANZ_GO } from './franz-go.ts'
import { LIBRDKAFKA } from './librdkafka.ts'
import type { Suite } from './suite.ts'

export const SUITES: readonly Suite[] = [FRANZ_GO, LIBRDKAFKA]
