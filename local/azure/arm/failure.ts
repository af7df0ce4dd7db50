import { AzureFailure } from '../contract.ts';

export interface ErrorDetail {
  code: string;
  message: string;
  target?: string;
}

/** A refusal in Azure's words: becomes `{error: {code, message, target, details}}` with this status and these headers. */
export class ArmError extends AzureFailure {
  readonly target: string | undefined;
  readonly details: ErrorDetail[];
  readonly headers: Record<string, string>;

  constructor(
    status: number,
    code: string,
    message: string,
    more: { target?: string; details?: ErrorDetail[]; headers?: Record<string, string> } = {},
  ) {
    super(code, message, status);
    this.target = more.target;
    this.details = more.details ?? [];
    this.headers = more.headers ?? {};
  }
}

/** The body of an answer or of a failed operation. */
export function errorBody(error: AzureFailure): { error: { code: string; message: string; details?: ErrorDetail[] } } {
  const arm = error instanceof ArmError ? error : undefined;
  const { code, message } = error;
  return {
    error: {
      code,
      message,
      ...(arm?.target ? { target: arm.target } : {}),
      ...(arm && arm.details.length > 0 ? { details: arm.details } : {}),
    },
  };
}

export const resourceNotFound = (type: string, name: string, group: string | undefined): ArmError =>
  new ArmError(
    404,
    'ResourceNotFound',
    `The Resource '${type}/${name}' under resource group '${group ?? '<null>'}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix`,
  );

export const invalidReference = (referenced: string, by: string): ArmError =>
  new ArmError(
    400,
    'InvalidResourceReference',
    `Resource ${referenced} referenced by resource ${by} was not found. Please make sure that the referenced resource exists, and that both resources are in the same region.`,
  );

export const invalidParameter = (target: string, message: string): ArmError =>
  new ArmError(400, 'InvalidParameter', message, { target });

export const methodNotAllowed = (method: string, type: string): ArmError =>
  new ArmError(405, 'HttpMethodNotAllowed', `The resource type '${type}' does not support the method '${method}'.`);
