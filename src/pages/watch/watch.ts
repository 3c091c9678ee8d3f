import { readSession } from '../session.ts'; readSession();
