#include <stdio.h>

int main(void)
{
    puts("kubectl-hoop 0.1.0");
    return 0;
}
