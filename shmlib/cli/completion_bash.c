/* SPDX-License-Identifier: Apache-2.0 */
/*
 * completion_bash - the script for bash (contract in completion.h).
 *
 * Three functions with what the tables say, then one that knows nothing of commands. It splits the
 * line itself: readline breaks words at colons and equals signs, of which topics are full.
 */
#include "shmlib/cli/args.h"
#include "shmlib/cli/completion.h"

static const char head[] = "# shellcheck shell=bash\n"
                           "# Completion of hulse for bash, printed by `hulse completion bash`.\n";

static const char engine[] =
    "\n"
    "# Candidates for a place of kind $1 where $2 has been typed, one a line.\n"
    "_hulse_candidates() {\n"
    "    local word\n"
    "    case $1 in\n"
    "    @file) compgen -f -- \"$2\" ;;\n"
    "    @topic) \"${hulse[@]}\" topics list --timeout 500ms 2>/dev/null ;;\n"
    "    @*) ;;\n"
    "    *) for word in $1; do printf '%s\\n' \"$word\"; done ;;\n"
    "    esac\n"
    "}\n"
    "\n"
    "_hulse() {\n"
    "    local line=${COMP_LINE:0:COMP_POINT} words=() hulse command='' takes='' literal=''\n"
    "    local operands=0 i word kind cur typed tail kept\n"
    "    read -ra words <<<\"$line\"\n"
    "    [[ $line == *[[:space:]] ]] && words+=('')\n"
    "    hulse=(\"${words[0]}\")\n"
    "    cur=${words[${#words[@]} - 1]}\n"
    "    for ((i = 1; i < ${#words[@]} - 1; i++)); do\n"
    "        word=${words[i]}\n"
    "        if [[ -n $takes ]]; then\n"
    "            [[ $takes == --admin-socket ]] && hulse+=(--admin-socket \"$word\")\n"
    "            takes=''\n"
    "        elif [[ -z $literal && $word == -- ]]; then\n"
    "            literal=1\n"
    "        elif [[ -z $literal && $word == -?* ]]; then\n"
    "            [[ $word == --admin-socket=* ]] && hulse+=(\"$word\")\n"
    "            _hulse_value \"$command\" \"$word\" >/dev/null && takes=$word\n"
    "        elif [[ -z $command ]]; then\n"
    "            command=$word\n"
    "        else\n"
    "            operands=$((operands + 1))\n"
    "        fi\n"
    "    done\n"
    "    typed=$cur\n"
    "    if [[ -n $takes ]]; then\n"
    "        kind=$(_hulse_value \"$command\" \"$takes\")\n"
    "    elif [[ -z $literal && $cur == --*=* ]]; then\n"
    "        kind=$(_hulse_value \"$command\" \"${cur%%=*}\")\n"
    "        cur=${cur#*=}\n"
    "    elif [[ -z $literal && $cur == -* ]]; then\n"
    "        kind=$(_hulse_options \"$command\")\n"
    "    else\n"
    "        kind=$(_hulse_operand \"$command\" \"$operands\")\n"
    "    fi\n"
    "    [[ $kind == @file ]] && compopt -o filenames 2>/dev/null\n"
    "    # Readline replaces no more than what is behind the last of its breaks.\n"
    "    tail=$typed\n"
    "    [[ $COMP_WORDBREAKS == *:* ]] && tail=${tail##*:}\n"
    "    [[ $COMP_WORDBREAKS == *=* ]] && tail=${tail##*=}\n"
    "    kept=${typed%\"$tail\"}\n"
    "    COMPREPLY=()\n"
    "    while read -r word; do\n"
    "        # Applications name topics: what a shell would act on stays text.\n"
    "        [[ $kind == @topic ]] && printf -v word %q \"$word\"\n"
    "        [[ $word == \"$cur\"* ]] || continue\n"
    "        word=${typed%\"$cur\"}$word\n"
    "        COMPREPLY+=(\"${word#\"$kept\"}\")\n"
    "    done < <(_hulse_candidates \"$kind\" \"$cur\")\n"
    "}\n"
    "\n"
    "complete -F _hulse hulse\n";

static void print_kind(struct hulse_cli_out *out, enum hulse_cli_kind kind)
{
    const char *const *words = hulse_cli_words(kind);
    const char *between = "";

    if (kind == HULSE_CLI_COMMAND) {
        for (unsigned i = 0; hulse_cli_commands[i] != NULL; i++) {
            hulse_cli_out_format(out, "%s%s", between, hulse_cli_commands[i]->name);
            between = " ";
        }
    } else if (words == NULL) {
        hulse_cli_out_format(out, "@%s", hulse_cli_kind_name(kind));
    } else {
        for (; *words != NULL; words++) {
            hulse_cli_out_format(out, "%s%s", between, *words);
            between = " ";
        }
    }
}

static void print_names(struct hulse_cli_out *out, const struct hulse_cli_option *o)
{
    for (; o->id != 0; o++) {
        hulse_cli_out_format(out, " --%s", o->name);
        if (o->letter != 0) {
            hulse_cli_out_format(out, " -%c", o->letter);
        }
    }
}

static void print_options(struct hulse_cli_out *out)
{
    hulse_cli_out_text(out,
                       "\n"
                       "# The options of command $1; '' = there is none yet.\n"
                       "_hulse_options() {\n"
                       "    case $1 in\n"
                       "    '') echo");
    print_names(out, hulse_cli_first_options);
    print_names(out, hulse_cli_global_options);
    hulse_cli_out_text(out, " ;;\n");
    for (unsigned i = 0; hulse_cli_commands[i] != NULL; i++) {
        hulse_cli_out_format(out, "    %s) echo", hulse_cli_commands[i]->name);
        print_names(out, hulse_cli_commands[i]->options);
        print_names(out, hulse_cli_global_options);
        hulse_cli_out_text(out, " ;;\n");
    }
    hulse_cli_out_text(out, "    esac\n}\n");
}

static void
print_values_of(struct hulse_cli_out *out, const char *command, const struct hulse_cli_option *o)
{
    for (; o->id != 0; o++) {
        if (o->value == HULSE_CLI_NOTHING) {
            continue;
        }
        hulse_cli_out_format(out, "    %s:--%s", command, o->name);
        if (o->letter != 0) {
            hulse_cli_out_format(out, " | %s:-%c", command, o->letter);
        }
        hulse_cli_out_text(out, ") echo '");
        print_kind(out, o->value);
        hulse_cli_out_text(out, "' ;;\n");
    }
}

static void print_values(struct hulse_cli_out *out)
{
    hulse_cli_out_text(out,
                       "\n"
                       "# What option $2 of command $1 takes; status 1: nothing.\n"
                       "_hulse_value() {\n"
                       "    case $1:$2 in\n");
    print_values_of(out, "*", hulse_cli_global_options);
    for (unsigned i = 0; hulse_cli_commands[i] != NULL; i++) {
        print_values_of(out, hulse_cli_commands[i]->name, hulse_cli_commands[i]->options);
    }
    hulse_cli_out_text(out, "    *) return 1 ;;\n    esac\n}\n");
}

static void print_operand(struct hulse_cli_out *out,
                          const char *command,
                          const char *place,
                          enum hulse_cli_kind kind)
{
    if (kind != HULSE_CLI_NOTHING) {
        hulse_cli_out_format(out, "    %s:%s) echo '", command, place);
        print_kind(out, kind);
        hulse_cli_out_text(out, "' ;;\n");
    }
}

static void print_operands(struct hulse_cli_out *out)
{
    hulse_cli_out_text(out,
                       "\n"
                       "# What operand number $2, from 0, of command $1 is.\n"
                       "_hulse_operand() {\n"
                       "    case $1:$2 in\n");
    print_operand(out, "", "0", HULSE_CLI_COMMAND);
    for (unsigned i = 0; hulse_cli_commands[i] != NULL; i++) {
        const struct hulse_cli_command *c = hulse_cli_commands[i];
        print_operand(out, c->name, "0", c->first);
        print_operand(out, c->name, "*", c->rest);
    }
    hulse_cli_out_text(out, "    esac\n}\n");
}

void hulse_cli_completion_bash(struct hulse_cli_out *out)
{
    hulse_cli_out_text(out, head);
    print_options(out);
    print_values(out);
    print_operands(out);
    hulse_cli_out_text(out, engine);
}
