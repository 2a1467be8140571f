// informers is a small controller on client-go: an informer, leader election, protobuf and dynamic clients.
// What it prints must be the same with and without the gateway.
//
//	informers NAMESPACE
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	namespace := os.Args[1]
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{}).ClientConfig()
	must(err)
	plain := kubernetes.NewForConfigOrDie(config)
	binary := *config
	binary.ContentType = "application/vnd.kubernetes.protobuf"
	proto := kubernetes.NewForConfigOrDie(&binary)

	events := make(chan string, 100)
	factory := informers.NewSharedInformerFactoryWithOptions(proto, 0, informers.WithNamespace(namespace))
	informer := factory.Core().V1().ConfigMaps().Informer()
	say := func(kind string) func(any) {
		return func(object any) {
			if m, ok := object.(*corev1.ConfigMap); ok && m.Name == "go" {
				events <- fmt.Sprint(kind, " ", m.Name, " ", m.Data["key"])
			}
		}
	}
	informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: say("added"), DeleteFunc: say("deleted"),
		UpdateFunc: func(_, object any) { say("updated")(object) },
	})
	factory.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		must(ctx.Err())
	}
	fmt.Println("synced")

	maps := proto.CoreV1().ConfigMaps(namespace)
	made, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "go"}, Data: map[string]string{"key": "value"}}, metav1.CreateOptions{})
	must(err)
	fmt.Println(<-events)
	made.Data["key"] = "other"
	_, err = maps.Update(ctx, made, metav1.UpdateOptions{})
	must(err)
	fmt.Println(<-events)
	_, err = maps.Update(ctx, made, metav1.UpdateOptions{})
	fmt.Println("conflict", apierrors.IsConflict(err))

	resource := schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	list, err := dynamic.NewForConfigOrDie(config).Resource(resource).Namespace(namespace).List(ctx, metav1.ListOptions{FieldSelector: "metadata.name=go"})
	must(err)
	fmt.Println("dynamic", len(list.Items))
	must(maps.Delete(ctx, "go", metav1.DeleteOptions{}))
	fmt.Println(<-events)

	led := make(chan bool)
	lock := &resourcelock.LeaseLock{LeaseMeta: metav1.ObjectMeta{Name: "go", Namespace: namespace},
		Client: plain.CoordinationV1(), LockConfig: resourcelock.ResourceLockConfig{Identity: "me"}}
	leading, stop := context.WithCancel(ctx)
	go leaderelection.RunOrDie(leading, leaderelection.LeaderElectionConfig{Lock: lock, ReleaseOnCancel: true,
		LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: time.Second,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { fmt.Println("leading") },
			OnStoppedLeading: func() { fmt.Println("stopped"); close(led) },
		}})
	for {
		lease, err := plain.CoordinationV1().Leases(namespace).Get(ctx, "go", metav1.GetOptions{})
		if err == nil && lease.Spec.HolderIdentity != nil && *lease.Spec.HolderIdentity == "me" {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	time.Sleep(200 * time.Millisecond) // for its callback to print first
	stop()
	<-led
}
