export {
  type ProjectionAdmin,
  type ProjectionAdminOptions,
  createProjectionAdmin,
} from './projection-admin.ts'
export type {
  ProjectionStatus,
  ProjectionVersion,
  Promotion,
  PromotionOptions,
  Rebuild,
  RebuildOptions,
  RebuildProgress,
  Verification,
} from './answers.ts'
export { ProjectionAdminError } from './projector-http.ts'
