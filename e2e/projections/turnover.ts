import { turnover } from './accounts.ts'

/** What a projector of SQL handlers runs. */
export const projections = [turnover]
