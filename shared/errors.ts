/** One problem inside an error: `target` names the field or record, `line` the line of an uploaded file. */
export interface ErrorDetail {
  code: string;
  message: string;
  target?: string;
  line?: number;
}

/** Why something did not work: the code and message of Azure or of ours, and what to do. */
export interface Failure {
  code: string;
  message: string;
  /** What a person can do about it. */
  advice?: string;
  /** Key of the step it happened in. */
  target?: string;
}

/**
 * An error meant for the caller: it becomes `{error: {code, message, target, details}}` with this status.
 * Everything else that is thrown becomes a 500 without detail. Never put a secret into `message`.
 */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly target: string | undefined;
  readonly details: ErrorDetail[] | undefined;
  readonly headers: Record<string, string> | undefined;

  constructor(
    status: number,
    code: string,
    message: string,
    more: { target?: string; details?: ErrorDetail[]; headers?: Record<string, string> } = {},
  ) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.code = code;
    this.target = more.target;
    this.details = more.details;
    this.headers = more.headers;
  }
}

/** 404 for a thing of ours that does not exist, e.g. `notFound('connection', '14')`. */
export const notFound = (kind: string, name: string): ApiError =>
  new ApiError(404, 'NotFound', `There is no ${kind} '${name}'.`, { target: kind });
