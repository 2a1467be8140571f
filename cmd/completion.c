/* completion.c - kubectl hoop completion bash|zsh|fish: scripts that ask the program itself, by the
 * hidden command __complete, for each TAB. */
#include <stdio.h>

#include "base/scoped.h"
#include "command.h"
#include "complete.h"

/* What every script says first. */
#define ABOUT                                                                                      \
    "# This completes the command kubectl-hoop. kubectl completes 'kubectl hoop' by itself, "      \
    "once\n"                                                                                       \
    "# its own completion is loaded and a link to the program is on PATH:\n"                       \
    "#   ln -s \"$(command -v kubectl-hoop)\" DIRECTORY/kubectl_complete-hoop\n"

/* bash splits words at = and :, the program does not; and it replaces only what follows the last of
 * them. */
static const char bash_script[] =
    "# bash completion for kubectl-hoop: source <(kubectl-hoop completion bash)\n" ABOUT
    "_kubectl_hoop() {\n"
    "    local words=() count=0 glue='' i word lines line typed before directive\n"
    "    for ((i = 1; i <= COMP_CWORD; i++)); do\n"
    "        word=${COMP_WORDS[i]}\n"
    "        if ((count > 0)) && [[ -n $glue || $word == [=:]* ]]; then\n"
    "            words[count - 1]+=$word\n"
    "        else\n"
    "            words[count]=$word\n"
    "            ((count++))\n"
    "        fi\n"
    "        glue=''\n"
    "        [[ $word != *[=:] ]] || glue=1\n"
    "    done\n"
    "    COMPREPLY=()\n"
    "    lines=$(\"${COMP_WORDS[0]}\" __complete \"${words[@]}\" 2>/dev/null) || return 0\n"
    "    directive=${lines##*:}\n"
    "    typed=${words[count - 1]}\n"
    "    [[ $typed != --*=* ]] || typed=${typed#*=}\n"
    "    before=${typed%\"${typed##*[=:]}\"}\n"
    "    while IFS= read -r line; do\n"
    "        word=${line%%$'\\t'*}\n"
    "        [[ -n $word ]] || continue\n"
    "        if ((COMP_TYPE == 63)) && [[ $line == *$'\\t'* ]]; then # only a list is shown\n"
    "            COMPREPLY+=(\"${word#\"$before\"}  (${line#*$'\\t'})\")\n"
    "        else\n"
    "            printf -v word %q \"${word#\"$before\"}\"\n"
    "            COMPREPLY+=(\"$word\")\n"
    "        fi\n"
    "    done <<<\"${lines%:*}\"\n"
    "    if ((directive & 16)); then\n"
    "        compopt -o dirnames 2>/dev/null\n"
    "    elif ! ((directive & 4)); then\n"
    "        compopt -o default 2>/dev/null\n"
    "    fi\n"
    "    ((directive & 32)) && compopt -o nosort 2>/dev/null\n"
    "    return 0\n"
    "}\n"
    "complete -F _kubectl_hoop kubectl-hoop\n";

static const char zsh_script[] =
    "#compdef kubectl-hoop\n"
    "# zsh completion for kubectl-hoop: source <(kubectl-hoop completion zsh), or as "
    "_kubectl-hoop\n"
    "# in a directory of fpath\n" ABOUT "_kubectl_hoop() {\n"
    "    local -a lines values shown\n"
    "    local line directive\n"
    "    lines=(\"${(@f)$(\"${words[1]}\" __complete \"${(@Q)words[2,CURRENT-1]}\" "
    "\"${(Q)PREFIX}\" "
    "2>/dev/null)}\")\n"
    "    directive=${lines[-1]#:}\n"
    "    for line in \"${(@)lines[1,-2]}\"; do\n"
    "        values+=(\"${line%%$'\\t'*}\")\n"
    "        shown+=(\"${line/$'\\t'/  -- }\")\n"
    "    done\n"
    "    [[ $PREFIX != --*=* ]] || compset -P '*='\n"
    "    (( ${#values} )) && compadd -l -V kubectl-hoop -d shown -- \"${values[@]}\"\n"
    "    if (( directive & 16 )); then\n"
    "        _files -/\n"
    "    elif (( ! (directive & 4) )); then\n"
    "        _files\n"
    "    fi\n"
    "}\n"
    "if [[ ${funcstack[1]} == _kubectl-hoop ]]; then\n"
    "    _kubectl_hoop \"$@\"\n"
    "else\n"
    "    compdef _kubectl_hoop kubectl-hoop\n"
    "fi\n";

static const char fish_script[] =
    "# fish completion for kubectl-hoop: kubectl-hoop completion fish | source, or as\n"
    "# ~/.config/fish/completions/kubectl-hoop.fish\n" ABOUT "function __kubectl_hoop_complete\n"
    "    set -l words (commandline -opc)\n"
    "    set -l typed (commandline -ct)\n"
    "    set -l program $words[1]\n"
    "    set -e words[1]\n"
    "    set -l lines ($program __complete $words \"$typed\" 2>/dev/null)\n"
    "    set -l directive (string replace -- ':' '' \"$lines[-1]\")\n"
    "    set -e lines[-1]\n"
    "    set -l prefix (string match -r -- '^--[^=]*=' \"$typed\")\n"
    "    for line in $lines\n"
    "        printf '%s%s\\n' \"$prefix\" \"$line\"\n"
    "    end\n"
    "    set -l value (string replace -r -- '^--[^=]*=' '' \"$typed\")\n"
    "    if test (math \"bitand($directive, 16)\") -ne 0\n"
    "        printf \"$prefix%s\\n\" (__fish_complete_directories \"$value\" '')\n"
    "    else if test (math \"bitand($directive, 4)\") -eq 0\n"
    "        printf \"$prefix%s\\n\" (__fish_complete_path \"$value\")\n"
    "    end\n"
    "end\n"
    "complete -c kubectl-hoop -e\n"
    "complete -c kubectl-hoop -f -k -a '(__kubectl_hoop_complete)'\n";

/* ---- One subcommand for each shell, so that they complete themselves ---- */

static int print_script(const struct usage *usage, const char *script, int argc, char **argv,
                        struct error *err)
{
    scoped(options_free) struct options options = {0};
    int ready = options_parse(&options, usage, NULL, argc, argv, err);

    if (ready <= 0)
        return ready;
    if (options_expect(&options, usage, 0, 0, err) < 0)
        return -1;
    fputs(script, stdout);
    return EXIT_OK;
}

static const struct usage bash_usage = {
    "completion bash",
    "Prints the script for bash. In ~/.bashrc: source <(kubectl-hoop completion bash)",
};
static const struct usage zsh_usage = {
    "completion zsh",
    "Prints the script for zsh. In ~/.zshrc, below compinit:\n"
    "source <(kubectl-hoop completion zsh)",
};
static const struct usage fish_usage = {
    "completion fish",
    "Prints the script for fish:\n"
    "kubectl-hoop completion fish >~/.config/fish/completions/kubectl-hoop.fish",
};

static int run_bash(int argc, char **argv, struct error *err)
{
    return print_script(&bash_usage, bash_script, argc, argv, err);
}

static int run_zsh(int argc, char **argv, struct error *err)
{
    return print_script(&zsh_usage, zsh_script, argc, argv, err);
}

static int run_fish(int argc, char **argv, struct error *err)
{
    return print_script(&fish_usage, fish_script, argc, argv, err);
}

static const struct command bash = {
    .name = "bash", .help = "the script for bash", .usage = &bash_usage, .run = run_bash};
static const struct command zsh = {
    .name = "zsh", .help = "the script for zsh", .usage = &zsh_usage, .run = run_zsh};
static const struct command fish = {
    .name = "fish", .help = "the script for fish", .usage = &fish_usage, .run = run_fish};

static const struct command *const subcommands[] = {&bash, &zsh, &fish, NULL};

static const struct usage usage = {
    "completion bash|zsh|fish",
    "Prints a script that completes the command kubectl-hoop in a shell: commands, flags and\n"
    "their values, sessions, contexts, files. Nothing it asks goes to a cluster.\n\n"
    "'kubectl hoop' is completed by kubectl's own script, once a link to this program is\n"
    "on PATH: ln -s \"$(command -v kubectl-hoop)\" DIRECTORY/kubectl_complete-hoop",
    .subcommands = subcommands,
};

static int run(int argc, char **argv, struct error *err)
{
    scoped(options_free) struct options options = {0};
    int ready = options_parse(&options, &usage, NULL, argc, argv, err);

    if (ready <= 0)
        return ready;
    error_set(err, ERROR_USAGE, "completion: for which shell?");
    return error_fix(err, "kubectl hoop completion bash, zsh or fish");
}

const struct command command_completion = {
    .name = "completion",
    .group = GROUP_OTHER,
    .help = "print a script that completes this command in a shell",
    .usage = &usage,
    .run = run,
};

static int run_complete(int argc, char **argv, struct error *err)
{
    return complete_main(argc, argv);
}

const struct command command_complete = {
    .name = "__complete",
    .group = GROUP_HIDDEN,
    .help = "what the scripts of completion ask",
    .run = run_complete,
};
