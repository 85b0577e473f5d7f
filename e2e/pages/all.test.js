/** All tests in one process, one after the other, on one deployment. */
import "./sale.test.js";
import "./queue.test.js";
import "./refusals.test.js";
import "./failures.test.js";
import "./identity.test.js";
import "./looks.test.js";
import "./board_rates.test.js";
import "./board.test.js";
import "./board_queue.test.js";
import "./board_looks.test.js";
