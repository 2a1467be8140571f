/* agent.h - which coding agent or CI system runs us, by what it puts into the environment. A claim,
 * not a proof: recorded as asserted. */
#pragma once

/* NULL when none is known. Valid until the environment changes. */
const char *agent_detect(void);
