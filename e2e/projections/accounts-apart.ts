import type { Projection } from '@fairlead/projection'
import { accounts } from './accounts.ts'

/** What a projector runs that keeps tenants in schemas of their own. */
export const projections: readonly Projection[] = [{ ...accounts, tenants: 'schema' }]
