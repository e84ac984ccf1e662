import { AccountEntry, AccountEntryPage } from './account-log.ts'
import { ApiKey, ApiKeyPage, CreateApiKey, NewApiKey } from './api-keys.ts'
import { Author, AuthorPage, CreateAuthor, PatchAuthor, ReplaceAuthor } from './authors.ts'
import { Change, ChangePage, ChangeStream } from './changes.ts'
import { JsonWebKeySet } from './keys.ts'
import { PersonalData } from './personal-data.ts'
import { ImportReason, Problem, ProblemType, ProblemTypeList } from './problems.ts'
import { Health, OpenApiDocument, Readiness, Service } from './service.ts'
import { ServiceStatus } from './service-status.ts'
import { Session, SessionPage } from './sessions.ts'
import { Refresh, TokenResponse } from './tokens.ts'
import { AuthorsCsv, AuthorsNdjson, ImportEvents, ImportResult } from './transfers.ts'
import {
  ChangePassword,
  ChangeUser,
  ConfirmPassword,
  CreateUser,
  NewUser,
  Registration,
  ResetCode,
  ResetPassword,
  User,
  UserPage
} from './users.ts'

/** Every schema with a name of its own; each becomes a component of the OpenAPI document. */
export const schemas = [
  ApiKey,
  ApiKeyPage,
  CreateApiKey,
  NewApiKey,
  ChangePassword,
  ChangeUser,
  ConfirmPassword,
  CreateUser,
  NewUser,
  ResetCode,
  Refresh,
  ResetPassword,
  Session,
  SessionPage,
  Author,
  AuthorPage,
  CreateAuthor,
  ReplaceAuthor,
  PatchAuthor,
  Change,
  ChangePage,
  ChangeStream,
  AuthorsCsv,
  AuthorsNdjson,
  ImportEvents,
  ImportReason,
  ImportResult,
  Health,
  Readiness,
  JsonWebKeySet,
  OpenApiDocument,
  PersonalData,
  Service,
  ServiceStatus,
  Problem,
  ProblemType,
  ProblemTypeList,
  Registration,
  TokenResponse,
  User,
  UserPage,
  AccountEntry,
  AccountEntryPage
]
