import { parseResource } from '../core/resource.ts'

/** The id of a folder, whether it was written as one (`src`) or as all that is in it (`src/**`). */
export function folderOf(resource: string): string {
  return parseResource(resource).resourceId
}

/** Whether an id is that of a folder, or of something in it. The root of a type holds all of that type. */
export function isUnder(resourceId: string, folder: string): boolean {
  return resourceId === folder || folder.endsWith(':') || resourceId.startsWith(`${folder}/`)
}
