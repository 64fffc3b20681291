/** Says what is being measured. */
export type Progress = (text: string) => void
