import { event, eventType, type HistoryEvent } from './history.ts';

/** .NET code that stands in the stack of every failure; the real one names files of its build. */
const stackOfHost = [
  '   at Microsoft.Azure.WebJobs.Script.Description.WorkerFunctionInvoker.InvokeCore(Object[] parameters, FunctionInvocationContext context)',
  '   at Microsoft.Azure.WebJobs.Script.Description.FunctionInvokerBase.Invoke(Object[] parameters)',
  '   at Microsoft.Azure.WebJobs.Host.Executors.FunctionInvoker`2.InvokeAsync(Object instance, Object[] arguments)',
].join('\n');
const stackOfOrchestration = [
  '   at System.Threading.Tasks.Task.ThrowIfExceptional(Boolean includeTaskCanceledExceptions)',
  '   at System.Threading.Tasks.Task`1.GetResultCore(Boolean waitCompletionNotification)',
  '   at Microsoft.Azure.WebJobs.Extensions.DurableTask.TaskOrchestrationShim.InvokeUserCodeAndHandleResults(RegisteredFunctionInfo orchestratorInfo, OrchestrationContext innerContext)',
].join('\n');
/** COR_E_EXCEPTION. */
const exceptionResult = -2146233088;

/** What an orchestrator learns of a failed activity: one text, and the serialised .NET exception with the JavaScript stack inside. */
export function taskFailed(taskId: number, activity: string, message: string, stack: string): HistoryEvent {
  return event(eventType.taskFailed, {
    TaskScheduledId: taskId,
    Reason: `Activity function '${activity}' failed:  ${message}`,
    Details: JSON.stringify(exceptionDetails(message, stack)),
    FailureDetails: null,
  });
}

function exceptionDetails(message: string, stack: string): object {
  return {
    $type: 'System.Exception, System.Private.CoreLib',
    ClassName: 'System.Exception',
    Message: ` ${message}`,
    Data: null,
    InnerException: {
      $type: 'Microsoft.Azure.WebJobs.Script.Workers.Rpc.RpcException, Microsoft.Azure.WebJobs.Script',
      IsUserException: false,
      RemoteStackTrace: stack,
      RemoteMessage: message,
      RemoteTypeName: null,
      Message: `Result: Failure\nException: ${message}\nStack: ${stack}`,
      Data: { $type: 'System.Collections.ListDictionaryInternal, System.Private.CoreLib' },
      InnerException: null,
      HelpLink: null,
      Source: 'System.Private.CoreLib',
      HResult: exceptionResult,
      StackTrace: stackOfHost,
    },
    HelpURL: null,
    StackTraceString: null,
    RemoteStackTraceString: null,
    RemoteStackIndex: 0,
    ExceptionMethod: null,
    HResult: exceptionResult,
    Source: null,
    WatsonBuckets: null,
  };
}

/** What a parent learns of a sub-orchestration that failed. */
export function subOrchestrationFailed(taskId: number, reason: string, error: string): HistoryEvent {
  return event(eventType.subOrchestrationFailed, {
    TaskScheduledId: taskId,
    Reason: reason,
    Details: `Message: ${error}, StackTrace: ${stackOfOrchestration}`,
    FailureDetails: null,
  });
}
