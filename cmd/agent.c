#include "agent.h"

#include <stdlib.h>

#include "base/num.h"

/* The first whose variable is set; those that agents set for other agents' sake come last. */
static const struct {
    const char *variable, *name;
} agents[] = {
    {"CLAUDECODE", "claude-code"},
    {"CODEX_THREAD_ID", "codex"},
    {"CODEX_CI", "codex"},
    {"GEMINI_CLI", "gemini-cli"},
    {"OPENCODE", "opencode"},
    {"CURSOR_AGENT", "cursor"},
    {"CURSOR_TRACE_ID", "cursor"},
    {"AUGMENT_AGENT", "augment"},
    {"ANTIGRAVITY_AGENT", "antigravity"},
    {"GITHUB_ACTIONS", "github"},
    {"GITLAB_CI", "gitlab"},
    {"BUILDKITE", "buildkite"},
    {"JENKINS_URL", "jenkins"},
};

const char *agent_detect(void)
{
    const char *own = getenv("KHOOP_AGENT");

    if (own && own[0])
        return own;
    for (size_t i = 0; i < count_of(agents); i++) {
        const char *value = getenv(agents[i].variable);

        if (value && value[0])
            return agents[i].name;
    }
    return getenv("AI_AGENT");
}
