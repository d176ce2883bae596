export { createKysely } from './create-kysely.ts'
export { type CommitFate, CutOffProxy } from './cut-off-proxy.ts'
export { freePort } from './free-port.ts'
export { type TestDatabase, testDatabase } from './test-database.ts'
