// @ts-check
// Worker: owns the Study (labelled recordings, training), so that replay and maps stay alive.
import init, { Study } from "../../pkg/wasm_core.js";
import { serve } from "./serve.js";

serve(init().then(() => new Study()));
