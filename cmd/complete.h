/* complete.h - what may come next on a command line, for shells and for kubectl. Reads the command
 * table, the names of recorded sessions and the kubeconfig; never the network. */
#pragma once

/* Prints a line `value<TAB>help` for each value that begins as argv[argc - 1] does, which is the
 * word that is being typed, then `:N`: the sum of what a shell should do (as kubectl's, that is
 * cobra's, directives). argv[0] is passed over. What goes wrong only means fewer values.
 * Always EXIT_OK. */
int complete_main(int argc, char **argv);
