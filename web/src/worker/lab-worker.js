// @ts-check
// Worker: owns the Lab (recording, features, model, attention, rasters).
import init, { Lab } from "../../pkg/wasm_core.js";
import { serve } from "./serve.js";

serve(init().then(() => new Lab()));
