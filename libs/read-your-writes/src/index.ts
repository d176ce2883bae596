export { type ReadYourWritesOptions, readYourWrites } from './fastify-plugin.ts'
export {
  type Freshness,
  type Projections,
  type ProjectionsOptions,
  type ReadProjection,
  StaleReadError,
  type WaitOptions,
  createProjections,
} from './projections.ts'
