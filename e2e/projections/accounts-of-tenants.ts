import { accountsOfTenants } from './accounts.ts'

/** What a projector of several tenants runs. */
export const projections = [accountsOfTenants]
