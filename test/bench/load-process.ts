import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { runFloor, type FloorPlan } from './floor-load.ts';
import { runLoad, type LoadPlan, type LoadResult } from './http-load.ts';
import { runOpenLoop, type OpenLoopPlan, type OpenLoopResult } from './open-loop.ts';
import { runSockets, type SocketPlan, type SocketResult } from './socket-load.ts';

/** What a process of its own is asked to do, so that no load shares a thread with another. */
type Task =
  | { readonly http: LoadPlan }
  | { readonly floor: FloorPlan }
  | { readonly openLoop: OpenLoopPlan }
  | { readonly sockets: SocketPlan };
type Told = { readonly isOpen: true } | { readonly fault: string } | { readonly result: unknown };

const ME = fileURLToPath(import.meta.url);

/** A load through a door of the program. */
export function loadOf(http: LoadPlan): Promise<LoadResult> {
  return inProcess<LoadResult>({ http });
}

/** A load that does not wait for answers. */
export function openLoopOf(openLoop: OpenLoopPlan): Promise<OpenLoopResult> {
  return inProcess<OpenLoopResult>({ openLoop });
}

/** The same work as everybody does it. */
export function floorOf(floor: FloorPlan): Promise<LoadResult> {
  return inProcess<LoadResult>({ floor });
}

/** Subscribers; `onOpen` hears that all of them are there. */
export function socketsOf(sockets: SocketPlan, onOpen = (): void => {}): Promise<SocketResult> {
  return inProcess<SocketResult>({ sockets }, onOpen);
}

function inProcess<Result>(task: Task, onOpen = (): void => {}): Promise<Result> {
  const child = fork(ME, ['--load'], { stdio: 'inherit' });
  child.send(task);
  return new Promise((resolve, reject) => {
    child.on('message', (told: Told) => {
      if ('isOpen' in told) return onOpen();
      child.disconnect();
      if ('fault' in told) reject(new Error(told.fault));
      else resolve(told.result as Result);
    });
    child.once('exit', () => reject(new Error('A load ended without an answer')));
  });
}

function run(task: Task): Promise<unknown> {
  if ('http' in task) return runLoad(task.http);
  if ('floor' in task) return runFloor(task.floor);
  if ('openLoop' in task) return runOpenLoop(task.openLoop);
  return runSockets(task.sockets, () => tell({ isOpen: true }));
}

function tell(told: Told): void {
  process.send?.(told);
}

if (process.argv.includes('--load')) {
  process.once('message', (task: Task) => {
    run(task).then(
      (result) => tell({ result }),
      (error: unknown) => tell({ fault: String(error) }),
    );
  });
}
