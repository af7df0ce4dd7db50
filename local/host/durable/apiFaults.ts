import { jsonReply, type Reply } from '../http/reply.ts';

/** The last frame of the stack that the real extension prints. */
const stack =
  '   at Microsoft.Azure.WebJobs.Extensions.DurableTask.HttpApiHandler.HandleRequestAsync(HttpRequestMessage request, CancellationToken cancellationToken)';

/** The faults that the extension's API reports with a .NET exception. */
function fault(status: number, message: string, type: string, detail: string): Reply {
  return jsonReply(status, { Message: message, ExceptionMessage: detail, ExceptionType: type, StackTrace: stack });
}

export function argumentFault(message: string, detail: string): Reply {
  return fault(400, message, 'System.ArgumentException', detail);
}

export function hostFault(detail: string): Reply {
  return fault(500, 'Something went wrong while processing your request', 'System.InvalidOperationException', detail);
}

/** Checks that a body is JSON; an empty one is not. */
export function jsonFault(body: string): Reply | null {
  try {
    JSON.parse(body);
    return null;
  } catch (error) {
    const detail = body === '' ? "Error reading JToken from JsonReader. Path '', line 0, position 0." : String(error);
    return fault(400, 'Invalid JSON content', 'Newtonsoft.Json.JsonReaderException', detail);
  }
}
