export {
  type ProjectionAdmin,
  ProjectionAdminError,
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
